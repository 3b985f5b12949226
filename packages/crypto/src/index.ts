export { createDigester, deriveKey, sha256, type Digester } from './digest.ts'
export { equalBytes } from './equal-bytes.ts'
export { KeyFormatError, keyCheckValue, parseKeyBytes } from './key-bytes.ts'
export {
  createKeyring,
  type Keyring,
  type KeyringEntry,
  type KeyringSettings,
  type KeyState,
} from './keyring.ts'
export { addKey, promoteKey, removeKey, retireKey, stageKey } from './keyring-changes.ts'
export { formatKeyringJson, parseKeyringJson, singleKeyring } from './keyring-settings.ts'
export { randomSymbols, type Random } from './random.ts'
export { BoxError, keyIdOfBox, type BoxContext, type BoxErrorCode } from './sealed-box.ts'
