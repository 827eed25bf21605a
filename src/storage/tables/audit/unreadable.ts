/** Tells unreadable rows from failures of the database. */
import { Failure } from '../../../base/errors.ts'
import { asFailure, isSerializationConflict } from '../../engine/failures.ts'

/** The result of `read`; null: a column contains a value that is not of its type. */
export async function unlessUnreadable<T> (read: () => Promise<T>): Promise<T | null> {
  try {
    return await read()
  } catch (error) {
    if (isSerializationConflict(error) || asFailure(error) instanceof Failure) throw error
    return null
  }
}
