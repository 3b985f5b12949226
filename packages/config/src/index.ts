export {
  type ApiKeyState,
  ApiKeysRefused,
  createApiKey,
  listApiKeys,
  type NewApiKey,
  revokeApiKey,
} from './api-key-admin.ts'
export { auditRule, auditVariables } from './audit-variables.ts'
export { authRules, authVariables, hmacKeysVariable, noAuthRule } from './auth-variables.ts'
export { checkSecret } from './check-secret.ts'
export { ConfigError, type ConfigProblem } from './config-error.ts'
export { describeVariables } from './describe-variables.ts'
export { type GateFinding, type GatePolicy, gatePolicy, judge } from './gate.ts'
export { placeFindings } from './place-findings.ts'
export { plaintextFindings } from './plaintext.ts'
export { type FileReading, readConfigFile, type ReadFile } from './read-file.ts'
export { type Env, readVariables, type VariableRule } from './read-variables.ts'
export { FileBusyError, replaceFile } from './replace-file.ts'
export { createSecret, type Secret } from './secret.ts'
export { serviceVariables } from './service-variables.ts'
export { storeRequired, storeRules } from './store-rules.ts'
export { engineOf, storeSettings, storeVariables } from './store-settings.ts'
export { tlsRule, tlsSettings, tlsVariables } from './tls-settings.ts'
export { variable } from './variable.ts'
