/** The names of CRIU's files that do not end in `.img`, beside those of images that are being written. */
const crius = /^stats-(?:dump|restore)$|^irmap-cache$|^parent$|^lazy-pages\.socket$|^tmp-/;
/** The names of our files, and of one that runc writes. */
const ours = /^libcriu(?:-\w+)?\.json$|^descriptors\.json$/;

/** Whether CRIU or we write a file of that name into a directory of images or logs, as no log. */
export function isWrittenName(name: string): boolean {
  return name.endsWith('.img') || crius.test(name) || ours.test(name);
}
