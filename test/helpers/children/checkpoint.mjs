// @ts-check
// A Node process that makes one checkpoint and ends by itself. argv: id, options as JSON.
import { checkpoint } from '../../../dist/index.js';

const [id = '', options = '{}'] = process.argv.slice(2);
const result = await checkpoint(id, JSON.parse(options));
console.log(JSON.stringify(result));
