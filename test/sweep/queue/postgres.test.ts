import { queueTests } from './exchange.js'
import { postgresMissing, startPostgres } from './servers.js'

queueTests(startPostgres, postgresMissing)
