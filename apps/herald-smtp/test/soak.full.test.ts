import { it } from 'vitest'
import { soak, soakReplicas } from './soak.fixture.ts'

it(
  'sends one mail per key in a thousand requests with twins, drops, kills and restarts',
  { timeout: 900_000 },
  () => soak({ keys: 500, kills: 8 }),
)

it(
  'sends one mail per key in a thousand requests to two replicas whose Redis comes and goes',
  { timeout: 900_000 },
  () => soakReplicas({ keys: 500, faults: 40 }),
)
