import { redisEngine } from './redis.fixture.ts'
import { describeSealedRecords } from './sealed-records.contract.ts'
import { sqliteEngine } from './sqlite.fixture.ts'

describeSealedRecords(sqliteEngine)
describeSealedRecords(redisEngine)
