// @ts-check
// Saves itself, and says in each new life what it was told.
import { checkpointSelf } from '../../../dist/index.js';

const { restored, data, imagePath } = await checkpointSelf();
if (restored) console.log(`told ${data}, with the images in ${imagePath}`);
