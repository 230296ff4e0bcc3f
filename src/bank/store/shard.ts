/** One database is one shard. */
export const shard = 0
