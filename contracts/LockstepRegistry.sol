// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILockstepRegistry} from "./ILockstepRegistry.sol";
import {LockstepHash} from "./LockstepHash.sol";

/// @title The registry of one bank
/// @notice See ILockstepRegistry.
contract LockstepRegistry is ILockstepRegistry {
    uint256 private constant TERMS_SIZE = 344;

    /// @inheritdoc ILockstepRegistry
    address public immutable recorder;

    /// @inheritdoc ILockstepRegistry
    uint64 public last;

    mapping(uint64 batch => Batch) private _batches;

    constructor(address recorder_) {
        if (recorder_ == address(0)) revert RecorderIsZero();
        recorder = recorder_;
    }

    /// @inheritdoc ILockstepRegistry
    function record(uint64 batch, bytes32 root, uint64 count) external {
        // Checks.
        if (msg.sender != recorder) revert NotRecorder(msg.sender, recorder);
        uint64 expected = last + 1;
        if (batch != expected) revert BatchOutOfOrder(batch, expected);
        if (root == bytes32(0)) revert RootIsZero(batch);
        if (count == 0) revert BatchIsEmpty(batch);

        // Effects. There are no interactions.
        last = batch;
        _batches[batch] = Batch({root: root, count: count, recordedAt: uint64(block.timestamp)});
        emit Recorded(batch, root, count);
    }

    /// @inheritdoc ILockstepRegistry
    function read(uint64 batch) public view returns (Batch memory) {
        if (batch == 0 || batch > last) revert BatchUnknown(batch, last);
        return _batches[batch];
    }

    /// @inheritdoc ILockstepRegistry
    function includes(uint64 batch, bytes32 leaf, uint64 index, bytes32[] calldata path) external view returns (bool) {
        Batch memory found = read(batch);
        return LockstepHash.verify(leaf, index, found.count, path, found.root);
    }

    /// @inheritdoc ILockstepRegistry
    function verify(bytes32 leaf, uint64 index, uint64 count, bytes32[] calldata path, bytes32 root)
        external
        pure
        returns (bool)
    {
        return LockstepHash.verify(leaf, index, count, path, root);
    }

    /// @inheritdoc ILockstepRegistry
    function channelId(bytes calldata terms) external pure returns (bytes32) {
        if (terms.length != TERMS_SIZE) revert TermsSize(terms.length, TERMS_SIZE);
        return LockstepHash.tagged(LockstepHash.TERMS, terms);
    }

    /// @inheritdoc ILockstepRegistry
    function leafOf(bytes calldata settled) external pure returns (bytes32) {
        return LockstepHash.tagged(LockstepHash.RECORD, settled);
    }
}
