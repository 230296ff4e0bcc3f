/** A small role: numbers that add up, and tasks that go wrong. */

import { all, change, get, type Program, type Tasks, undo } from '../../src/sql/program.ts'
import { bytes, integer } from '../../src/sql/rows.ts'
import type { Schema } from '../../src/sql/schema.ts'

export const schema: Schema = {
  role: 'counter',
  migrations: ['-- Counts\nCREATE TABLE counts (count INTEGER NOT NULL, label BLOB NOT NULL) STRICT'],
}

export const tasks: Tasks = {
  add: {
    mode: 'write',
    *steps(count: bigint, label: Uint8Array): Program<bigint> {
      yield* change('INSERT INTO counts VALUES (:count, :label)', { count, label })
      return integer((yield* get('SELECT sum(count) AS sum FROM counts'))!, 'sum')
    },
  },
  /** One more than the sum so far: no two of these may see one sum. */
  raise: {
    mode: 'serializable',
    *steps(step: bigint): Program<bigint> {
      const sum = integer((yield* get('SELECT coalesce(sum(count), 0) AS sum FROM counts'))!, 'sum')
      yield* change('INSERT INTO counts VALUES (:count, :label)', { count: step, label: new Uint8Array(1) })
      return sum
    },
  },
  list: {
    mode: 'read',
    *steps(): Program<readonly Uint8Array[]> {
      return (yield* all('SELECT label FROM counts')).map((row) => bytes(row, 'label'))
    },
  },
  wait: {
    mode: 'read',
    *steps(milliseconds: number): Program<void> {
      yield* all('SELECT 1')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
    },
  },
  fill: {
    mode: 'write',
    *steps(): Program<void> {
      yield* all('PRAGMA max_page_count = 4')
      yield* change('INSERT INTO counts VALUES (0, zeroblob(100000))')
    },
  },
  fail: {
    mode: 'write',
    *steps(): Program<void> {
      yield* change('DELETE FROM counts')
      throw new RangeError('a bug')
    },
  },
  takeBack: {
    mode: 'write',
    *steps(count: bigint): Program<string> {
      yield* change('INSERT INTO counts VALUES (:count, :label)', { count, label: new Uint8Array(1) })
      yield* undo()
      return 'taken back'
    },
  },
  /** Ends the transaction that it runs in, as a disk that is full may. */
  spoil: {
    mode: 'write',
    *steps(): Program<void> {
      yield* all('ROLLBACK')
      throw new RangeError('a bug')
    },
  },
  die: {
    mode: 'read',
    *steps(): Program<void> {
      yield* all('SELECT 1')
      process.exit(9)
    },
  },
}
