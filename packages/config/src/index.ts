export { authRules, authVariables, noAuthRule } from './auth-variables.ts'
export { checkSecret } from './check-secret.ts'
export { ConfigError, type ConfigProblem } from './config-error.ts'
export { describeVariables, type VariableDescription } from './describe-variables.ts'
export {
  type Environment,
  type GateCode,
  gateCodes,
  type GateFinding,
  type GatePolicy,
  gatePolicy,
  judge,
} from './gate.ts'
export type { Networks } from './networks.ts'
export { plaintextFindings } from './plaintext.ts'
export { type Reach, reachOf } from './reach.ts'
export { type FileReading, readConfigFile, type ReadFile } from './read-file.ts'
export { type Env, readVariables, type VariableRule } from './read-variables.ts'
export { createSecret, type Secret } from './secret.ts'
export { serviceVariables } from './service-variables.ts'
export { storeRequired, storeRules } from './store-rules.ts'
export {
  type RedisSettings,
  type StoreSettings,
  storeSettings,
  type StoreValues,
  storeVariables,
} from './store-settings.ts'
export { tlsRule, type TlsSettings, tlsSettings, type TlsValues, tlsVariables } from './tls-settings.ts'
export { variable } from './variable.ts'
