#include "storage/checksum.h"

#include <gtest/gtest.h>

#include <string>

namespace lockstep::storage {
namespace {

// Whoever changes one of these has changed a format that is on people's disks. They are zlib's.
TEST(ChecksumTest, IsCrc32OfNumbersAndStringsWithTheirLengths) {
  EXPECT_EQ(Checksum(RowKind::kEntry).value(), 3781742995U);
  EXPECT_EQ(Checksum(RowKind::kEntry).Add(std::uint64_t{0x0123456789abcdef}).value(), 429079292U);
  EXPECT_EQ(Checksum(RowKind::kKey).Add("123456789").value(), 3462384508U);
}

TEST(ChecksumTest, StringsOfAnyLengthAndContentAreReadWhole) {
  std::string text;
  std::uint64_t sum = 0;
  for (int i = 0; i < 300; ++i) {
    sum += Checksum(RowKind::kSession).Add(text).value();
    text.push_back(static_cast<char>(static_cast<unsigned char>(i * 7)));
  }
  EXPECT_EQ(sum, 685198451499U);
}

}  // namespace
}  // namespace lockstep::storage
