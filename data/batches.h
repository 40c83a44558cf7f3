// Where a trainer's batches come from, whatever its device: from the mapped file, from rows that lie on the device, or
// streamed to the device while the step before computes. All three give the same bits.
//
//   batches.start(partition, key);
//   while (const std::int64_t rows = batches.next()) {
//     run(batches.place(), rows, [&] { train(batches.batch()); });   // recorded once per (place, rows), then replayed
//   }
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "data/device_rows.h"
#include "data/loader.h"

namespace hop::data {

/// One pass after the other; every row of the partition once per pass, in the order that Loader has. One thread.
class Batches {
 public:
  virtual ~Batches() = default;
  /// Begins a pass in the order of `key`, or of the file. Throws DataError.
  virtual void start(const Partition& partition, std::optional<std::uint64_t> key) = 0;
  /// Moves on to the next batch and gives its rows; 0 at the end. To be called when everything that reads the batch
  /// before has been given to the device.
  virtual std::int64_t next() = 0;
  /// The batch, on the device. This is work of the device and part of the step: record it with the rest.
  virtual Batch batch() = 0;
  /// Where batch() reads. What was recorded for a place and a number of rows holds for other batches there.
  virtual const void* place() const = 0;
};

/// The batches for `device`. On another device than the CPU, partitions that `rows` has are gathered there, by an index
/// that is copied once per pass; others are streamed through two pinned buffers. Throws ConfigError.
std::unique_ptr<Batches> make_batches(LoaderOptions options, Device device,
                                      std::shared_ptr<const DeviceRows> rows = nullptr);

}  // namespace hop::data
