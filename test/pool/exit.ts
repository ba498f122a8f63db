// Vitest ends its test processes by SIGTERM, on which nothing is written that is written at an exit, as
// what gcov counts.
process.on('SIGTERM', () => process.exit());
