export { type Acceptance, assessAttachment } from './attach.ts'
export {
  type Accepted,
  create,
  credit,
  statement,
  strikesMax,
  type VendorChannel,
  type Window,
} from './Channel.ts'
export {
  acceptRelease,
  assessRelease,
  chainOf,
  createClose,
  createClosing,
  keepCheckpoint,
  lastOf,
  type ReleaseVerdict,
  recallClosing,
  refuseOpening,
} from './closing.ts'
export { charge, extend, type Reservation, reserve, settle } from './credit.ts'
export { lockDue, verifyLock } from './locks.ts'
export { firstSegment, proven, type Segment, segmentOf } from './segments.ts'
export { acceptCheckpoint, acceptPayment, acceptTick, type PaymentVerdict, type Received } from './verdict.ts'
