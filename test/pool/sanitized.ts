// The Node.js processes that a test starts are to be ones for a sanitized addon, too.
const program = process.env['LIBCRIU_TEST_NODE'];
if (program !== undefined) process.execPath = program;
