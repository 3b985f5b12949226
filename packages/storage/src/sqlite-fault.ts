import { StoreUnavailable } from './store-unavailable.ts'

/** Primary result codes that say something about the disk or the moment, not about our statement. */
const faults = new Map([
  [5, 'busy'],
  [6, 'locked'],
  [7, 'out of memory'],
  [8, 'read-only'],
  [10, 'input or output error'],
  [11, 'damaged'],
  [13, 'disk full'],
  [14, 'cannot be opened'],
  [15, 'locking protocol'],
  [26, 'not a database'],
])

/** StoreUnavailable for what the disk, the file or another process caused; anything else is handed back as it is. */
export function asSqliteFault(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof StoreUnavailable) return error
  const { code, errcode } = error as { code?: unknown; errcode?: unknown }
  if (code === 'ERR_INVALID_STATE') return new StoreUnavailable('the SQLite file is closed', { cause: error })
  if (code !== 'ERR_SQLITE_ERROR' || typeof errcode !== 'number') return error
  const fault = faults.get(errcode & 0xff)
  return fault === undefined
    ? error
    : new StoreUnavailable(`the SQLite file is unusable: ${fault}`, { cause: error })
}
