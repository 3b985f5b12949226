import { redisEngine } from './redis.fixture.ts'
import { describeTotpStore } from './store.contract.ts'

describeTotpStore(redisEngine)
