/** Options of a dump that an iteration decides itself, and refuses to be given. */
export const decidedOptions = [
  'workPath',
  'parentPath',
  'preDump',
  'existing',
  'trackMem',
] as const;

/** Options that are for the images of one directory, where an iteration makes several. */
const optionsOfOneDirectory = [
  'inEngine',
  'export',
  'format',
  'compression',
  'ignoreRootfs',
  'ignoreVolumes',
] as const;

/** Options of a dump that an iteration does not take. */
export const optionsNotOfIterations: readonly string[] = [
  ...decidedOptions,
  ...optionsOfOneDirectory,
];

/** Options of a dump that are not those of an iteration, which has an `imagePath` of its own. */
export type DecidedOption =
  | 'imagePath'
  | (typeof decidedOptions)[number]
  | (typeof optionsOfOneDirectory)[number];
