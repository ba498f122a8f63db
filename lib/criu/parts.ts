/** What {@link Criu} is made of, which is loaded when something is asked of it. */
export { requireTrustedAddon } from '../linux/trusted.js';
export { criuEnvironment, keepOwnConfig, knownEnvironment, knownOwnConfig } from './environment.js';
export { locate } from './locate.js';
export { CriuProgram } from './program.js';
export { requestFailure } from './request-failure.js';
export { toOutcome } from './stage.js';
