// What the exit code of `hop worker` says to the coordinator that started it. Internal to Hopscotch.
#pragma once

namespace hop::hopper {

/// The worker lost its coordinator, or was not wanted: no unit is to blame for its end.
inline constexpr int kExitUnconnected = 5;

}  // namespace hop::hopper
