// The exit code of `hop worker` for the coordinator that started it. Internal to Hopscotch.
#pragma once

namespace hop::hopper {

/// The worker lost its coordinator, or was refused: no unit is to blame for its end.
inline constexpr int kExitUnconnected = 5;

}  // namespace hop::hopper
