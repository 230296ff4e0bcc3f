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
  chainOf,
  createClose,
  createClosing,
  lastOf,
  type ReleaseVerdict,
  recallClosing,
} from './closing.ts'
export { charge, extend, type Reservation, reserve, settle } from './credit.ts'
export { firstSegment, proven, type Segment, segmentOf } from './segments.ts'
export { acceptCheckpoint, acceptPayment, acceptTick, type PaymentVerdict, type Received } from './verdict.ts'
