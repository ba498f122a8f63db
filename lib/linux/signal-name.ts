import { constants } from 'node:os';

const names = new Map(
  Object.entries(constants.signals).map(([name, number]) => [number, name as NodeJS.Signals]),
);

/** The name of a signal. Real-time signals have none in Node.js. */
export function signalName(number: number): NodeJS.Signals {
  return names.get(number) ?? (`SIG${number}` as NodeJS.Signals);
}
