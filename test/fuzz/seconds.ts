/** How long each reader is fuzzed: longer than in CI with `npm run test:fuzz -- --seconds N`. */
export const fuzzSeconds = Number(process.env['LIBCRIU_FUZZ_SECONDS'] ?? 2);
