// The one place that says which build the in-process tests run: the sources, so that an error in
// them is reported at its line. Child processes and the command run what `npm run build` made.
export * from '../../lib/index.js';
