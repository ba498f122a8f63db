/** The names of CRIU's files that do not end in `.img`, beside those of images that are being written. */
const crius = /^stats-(?:dump|restore)$|^irmap-cache$|^parent$|^lazy-pages\.socket$|^tmp-/;
/** Those of them that are where CRIU's log is. */
const besideLog = /^stats-(?:dump|restore)$|^irmap-cache$|^lazy-pages\.socket$/;
/** The names of our files, and of one that runc writes. */
const ours = /^libcriu(?:-\w+)?\.json$|^descriptors\.json$/;

/** Whether CRIU or we write a file of that name into a directory of images or logs, as no log. */
export function isWrittenName(name: string): boolean {
  return name.endsWith('.img') || crius.test(name) || isOurName(name);
}

/** Whether it is we, or runc, who write a file of that name, and not CRIU. */
export function isOurName(name: string): boolean {
  return ours.test(name);
}

/** Whether CRIU writes a file of that name into the directory of its log, which may be another one. */
export function isWorkName(name: string): boolean {
  return besideLog.test(name);
}
