export * from './store-handle.ts'
export * from './store-settings.ts'
export * from './store-unavailable.ts'
