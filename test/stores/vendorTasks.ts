/** The vendor's tasks and those that break its database, as a thread loads them. */

import type { Tasks } from '../../src/sql/program.ts'
import { tasks as own } from '../../src/vendor/store/tasks.ts'
import { faults } from './faults.ts'

export { schema } from '../../src/vendor/store/tasks.ts'
export const tasks: Tasks = { ...(own as Tasks), ...faults }
