/** The bank's tasks and those that break its database, as a thread loads them. */

import { tasks as own } from '../../src/bank/store/tasks.ts'
import type { Tasks } from '../../src/sql/program.ts'
import { faults } from './faults.ts'

export { schema } from '../../src/bank/store/tasks.ts'
export const tasks: Tasks = { ...(own as Tasks), ...faults }
