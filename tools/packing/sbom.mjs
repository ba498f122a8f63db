// @ts-check
// The list of what is in a package with native code beside our own, in CycloneDX's form.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Its name in a package. */
export const sbomName = 'sbom.cdx.json';

/**
 * What is in a package and was made by others.
 *
 * @typedef {object} Component
 * @property {string} name
 * @property {string} version
 * @property {string} license an expression of SPDX, or where its text is
 * @property {string} purl
 */

/**
 * @param {string} directory
 * @param {{name?: unknown, version?: unknown}} manifest
 * @param {readonly Component[]} components
 */
export function writeSbom(directory, { name, version }, components) {
  const sbom = {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: {
      component: { type: 'library', 'bom-ref': `${name}@${version}`, name, version },
    },
    components: components.map((one) => ({
      type: 'library',
      'bom-ref': one.purl,
      name: one.name,
      version: one.version,
      purl: one.purl,
      licenses: [
        one.license.includes('/')
          ? { license: { name: one.license } }
          : { expression: one.license },
      ],
    })),
  };
  writeFileSync(join(directory, sbomName), `${JSON.stringify(sbom, null, 2)}\n`);
}
