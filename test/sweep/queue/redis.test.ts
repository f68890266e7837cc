import { queueTests } from './exchange.js'
import { redisMissing, startRedis } from './servers.js'

queueTests(startRedis, redisMissing)
