// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.26;

/// @title Where a bank writes down what its channels settled
/// @notice One recorder appends batches, each the root of a Merkle tree over settled channels. What has been recorded is
/// never changed and never removed; nobody, the recorder included, can do so. Holds no money.
interface ILockstepRegistry {
    /// @param root Root of the batch's Merkle tree; binds `count`.
    /// @param count Number of leaves, at least 1.
    /// @param recordedAt Time of the block, Unix seconds.
    struct Batch {
        bytes32 root;
        uint64 count;
        uint64 recordedAt;
    }

    /// @notice A batch is on the chain.
    event Recorded(uint64 indexed batch, bytes32 indexed root, uint64 count);

    /// @notice Only the recorder appends.
    error NotRecorder(address caller, address recorder);

    /// @notice Batches are numbered from 1 without gaps: sent twice, a batch is recorded once.
    error BatchOutOfOrder(uint64 batch, uint64 expected);

    /// @notice A root of zero is no root.
    error RootIsZero(uint64 batch);

    /// @notice A batch has at least one leaf.
    error BatchIsEmpty(uint64 batch);

    /// @notice There is no such batch; `last` is the highest.
    error BatchUnknown(uint64 batch, uint64 last);

    /// @notice A registry without a recorder could never be used.
    error RecorderIsZero();

    /// @notice Terms have 344 bytes.
    error TermsSize(uint256 size, uint256 expected);

    /// @notice Appends a batch. `batch` is its number: one more than `last()`.
    function record(uint64 batch, bytes32 root, uint64 count) external;

    /// @notice The one account that appends, chosen at deployment for good.
    function recorder() external view returns (address);

    /// @notice Number of the newest batch, 0 before the first.
    function last() external view returns (uint64);

    /// @notice A batch as it was recorded.
    function read(uint64 batch) external view returns (Batch memory);

    /// @notice Whether `leaf` stands at `index` of a recorded batch. `path` holds the siblings, lowest first.
    function includes(uint64 batch, bytes32 leaf, uint64 index, bytes32[] calldata path) external view returns (bool);

    /// @notice Whether `leaf` stands at `index` among the `count` leaves under `root`.
    function verify(bytes32 leaf, uint64 index, uint64 count, bytes32[] calldata path, bytes32 root)
        external
        pure
        returns (bool);

    /// @notice The channel that terms define: their tagged hash.
    function channelId(bytes calldata terms) external pure returns (bytes32);

    /// @notice The leaf of a settled channel's record: its tagged hash.
    function leafOf(bytes calldata settled) external pure returns (bytes32);
}
