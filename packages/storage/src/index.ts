export { createHashes } from './hashes.ts'
export { createLease } from './lease.ts'
export { createNonces } from './nonces.ts'
export { createOnce, type Once } from './once.ts'
export { confirmMarker, openStore } from './open-store.ts'
export type { StoreFinding } from './probe-redis.ts'
export { clockSkew, probeStore } from './probe-store.ts'
export { countKeys, scanPage } from './redis-scan.ts'
export type { RedisHandle, SqliteHandle, StoreHandle } from './store-handle.ts'
export type {
  Address,
  OpenOptions,
  RedisSettings,
  RedisTopology,
  StoreLogger,
  StoreSettings,
} from './store-settings.ts'
export { StoreRefused, StoreUnavailable } from './store-unavailable.ts'
export {
  createTokenBuckets,
  prepareTakeToken,
  refillMs,
  takeTokenLua,
  type TokenBuckets,
} from './token-bucket.ts'
