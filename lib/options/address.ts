import { invalidArgType, invalidArgValue } from '../base/errors.js';
import { isIP, isIPv6 } from './ip.js';

/** Where a page server is. */
export interface PageServer {
  /** An IP address, without brackets; without `lazyPages` a host name is possible too. */
  address: string;
  /** From 1 to 65535. */
  port: number;
}

const expected = 'an address and a port from 1 to 65535, as 10.0.0.1:27 or [::1]:27,';

/** Reads `address:port`, `[IPv6 address]:port`, or an object of both. */
export function parsePageServer(name: string, value: unknown): PageServer {
  if (typeof value === 'string') return parseText(name, value);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgType(name, expected, value);
  }
  const { address, port, ...rest } = value as { address?: unknown; port?: unknown };
  if (typeof address !== 'string') {
    throw invalidArgType(`${name}.address`, 'an address', address);
  }
  if (typeof port !== 'number') throw invalidArgType(`${name}.port`, 'a port', port);
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    throw invalidArgValue(name, expected, value, `it has no ${JSON.stringify(unknown)}`);
  }
  const reason = badAddress(address) ?? badPort(port);
  if (reason !== undefined) throw invalidArgValue(name, expected, value, reason);
  return { address, port };
}

function parseText(name: string, value: string): PageServer {
  const refused = (reason: string): Error => invalidArgValue(name, expected, value, reason);
  const colon = value.lastIndexOf(':');
  if (isIPv6(value) || /^[^[].*:.*:/.test(value)) throw refused('an IPv6 address needs brackets');
  if (colon < 0 || /\][^:]*$/.test(value)) throw refused('it has no port');
  const host = value.slice(0, colon);
  const bracketed = host.startsWith('[') && host.endsWith(']');
  const address = bracketed ? host.slice(1, -1) : host;
  if (bracketed && !isIPv6(address)) throw refused('only an IPv6 address stands in brackets');
  const text = value.slice(colon + 1);
  const port = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (text === '') throw refused('it has no port');
  if (Number.isNaN(port)) throw refused('the port is not a number');
  const reason = badAddress(address) ?? badPort(port);
  if (reason !== undefined) throw refused(reason);
  return { address, port };
}

/** An address, which may be the name of a host unless it is to be listened on. */
export function checkAddress(name: string, value: unknown, isName: boolean): string {
  const expected = isName ? 'an IP address or the name of a host' : 'an IP address';
  if (typeof value !== 'string') throw invalidArgType(name, expected, value);
  const reason = badAddress(value);
  if (reason !== undefined) throw invalidArgValue(name, expected, value, reason);
  if (!isName && !isIP(value)) throw invalidArgValue(name, expected, value);
  return value;
}

function badAddress(address: string): string | undefined {
  if (address === '') return 'the address is empty';
  if (isIP(address)) return undefined;
  // A name is resolved later. A number that is no IP address would become some other address.
  const isName = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(address) && !/^[\d.]+$/.test(address);
  return isName ? undefined : 'the address is neither an IP address nor a host name';
}

function badPort(port: number): string | undefined {
  const possible = Number.isInteger(port) && port >= 1 && port <= 65535;
  return possible ? undefined : 'the port is not from 1 to 65535';
}
