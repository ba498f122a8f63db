delete process.env['LD_PRELOAD'];
