import { type ApiError, NotFoundError } from '../errors.ts'

/** For `treatAsDone` of a delete: the 404 says that it is done. */
export function doneWhenGone(error: ApiError): { data: undefined } | undefined {
  return error instanceof NotFoundError ? { data: undefined } : undefined
}
