import { CriuError } from './api.js';

/** What a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('the promise was not rejected');
}

/** The CriuError that a promise is rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<CriuError> {
  const error = await rejection(promise);
  if (error instanceof CriuError) return error;
  throw new Error('the promise was rejected with something else than a CriuError', {
    cause: error,
  });
}
