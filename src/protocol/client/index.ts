export {
  acknowledge,
  type ChannelSecrets,
  type ClientChannel,
  create,
  createSegment,
  credit,
  type Spending,
} from './Channel.ts'
export { checkpoint, type Paid, pay, renew, revealedBy, tick } from './pay.ts'
export { channelIdentity, commitIdentity, type Entropy, type Proposal, propose } from './propose.ts'
export { answer, release } from './release.ts'
