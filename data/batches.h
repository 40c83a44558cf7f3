// The source of a trainer's batches on any device: the mapped file, rows that lie on the device, or rows that are
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

/// Passes over partitions, one after the other. A pass visits every row once, in the order of Loader. One thread: a
/// worker's compute thread.
class Batches {
 public:
  virtual ~Batches() = default;
  /// Begins a pass in the order of `key`, or of the file. Throws DataError.
  virtual void start(const Partition& partition, std::optional<std::uint64_t> key) = 0;
  /// Moves on to the next batch and returns its rows; 0 at the end. Call it only after all work that reads the batch
  /// before has been given to the device.
  virtual std::int64_t next() = 0;
  /// The batch, on the device. The call is work of the device and part of the step: record it with the rest.
  virtual Batch batch() = 0;
  /// The place that batch() reads. A step that was recorded for a place and a number of rows holds for all batches of
  /// that number of rows there.
  virtual const void* place() const = 0;
};

/// The batches for `device`. On a device other than the CPU, partitions that are in `rows` are gathered there, by an
/// index that is copied once per pass; other partitions are streamed through two pinned buffers. Throws ConfigError.
std::unique_ptr<Batches> make_batches(LoaderOptions options, Device device,
                                      std::shared_ptr<const DeviceRows> rows = nullptr);

}  // namespace hop::data
