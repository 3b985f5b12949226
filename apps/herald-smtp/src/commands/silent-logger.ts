import type { StoreLogger } from '@herald/storage'

/** A command answers its one question on standard output; what fails reaches it as an error. */
export const silentLogger: StoreLogger = { debug() {}, info() {}, warn() {}, error() {} }
