import { closeMutants } from './closes.ts'
import { closingMutants } from './closing.ts'
import { commitMutants } from './commit.ts'
import { creditMutants } from './credit.ts'
import { journalMutants } from './journal.ts'
import { leaseMutants } from './leases.ts'
import { ledgerMutants } from './ledger.ts'
import type { Mutant } from './Mutant.ts'
import { proofMutants } from './proofs.ts'
import { verdictMutants } from './verdict.ts'

/** Every fault that the simulator has to catch, by area. */
export const mutants: readonly Mutant[] = [
  ...verdictMutants,
  ...creditMutants,
  ...ledgerMutants,
  ...closeMutants,
  ...proofMutants,
  ...journalMutants,
  ...commitMutants,
  ...closingMutants,
  ...leaseMutants,
]
