/** Opens a store as soon as it runs: several of these race for a migration. */

import { workerData } from 'node:worker_threads'
import { openDatabase } from '../../src/sqlite/open.ts'

const { path, migrations } = workerData as { readonly path: string; readonly migrations: readonly string[] }
openDatabase(path, 'bank', migrations).close()
