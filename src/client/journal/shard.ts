/** The column to split by: the first byte of a channel's id. */
export function shardOf(channelId: Uint8Array): number {
  return channelId[0]!
}
