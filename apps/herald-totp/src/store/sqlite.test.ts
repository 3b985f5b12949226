import { sqliteEngine } from './sqlite.fixture.ts'
import { describeTotpStore } from './store.contract.ts'

describeTotpStore(sqliteEngine)
