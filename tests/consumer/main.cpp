#include <hopscotch/hopscotch.h>

#include <iostream>

int main() {
  const auto digest = hop::sha256_hex(hop::as_bytes("abc"));
  std::cout << digest << '\n';
  return digest.starts_with("ba7816bf") ? 0 : 1;
}
