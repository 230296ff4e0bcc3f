/** Opens a journal, stores a channel, says so, and holds on to it. */

import { openJournal } from '../../src/client/journal/open.ts'
import { proposed } from './journalChannels.ts'

const journal = await openJournal({ path: process.argv[2]!, inThread: true })
await journal.propose(proposed('one'))
process.stdout.write('open')
setInterval(() => undefined, 1000)
