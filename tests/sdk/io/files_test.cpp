#include "io_testing.h"

#include <gmock/gmock.h>

#include <fstream>
#include <thread>

namespace saffron::io_test {
namespace {

using ::testing::HasSubstr;

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(MappedFile, ShowsTheBytesAndOutlivesTheName) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "a", "hello");
  const auto file = MappedFile::open(folder / "a", Access::random);
  std::filesystem::remove(folder / "a");
  ASSERT_EQ(file->bytes().size(), 5U);
  EXPECT_EQ(std::memcmp(file->bytes().data(), "hello", 5), 0);
  EXPECT_EQ(file->path(), (folder / "a").string());
}

TEST(MappedFile, EmptyFileIsEmptyAndMissingOrFolderIsAnError) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "empty", "");
  EXPECT_TRUE(MappedFile::open(folder / "empty")->bytes().empty());
  const Error missing = caught([&] { (void)MappedFile::open(folder / "absent"); });
  EXPECT_EQ(missing.kind(), ErrorKind::io);
  EXPECT_THAT(missing.what(), HasSubstr("absent': No such file"));
  EXPECT_THAT(caught([&] { (void)MappedFile::open(folder.path()); }).what(),
              HasSubstr("not a regular file"));
}

TEST(AtomicFile, ReplacesAsAWholeAndLeavesNothingBehind) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    file.write("ne");
    EXPECT_EQ(read_text(folder / "a"), "old");
    file.write("w");
    file.commit();
    EXPECT_THROW(file.write("x"), Error);
    EXPECT_THROW(file.commit(), Error);
  }
  EXPECT_EQ(read_text(folder / "a"), "new");
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(AtomicFile, WithoutCommitTheOldFileStays) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "a", "old");
  {
    AtomicFile(folder / "a").write("new");
  }
  EXPECT_EQ(read_text(folder / "a"), "old");
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(AtomicFile, MissingFolderAndFolderAsNameAreErrors) {
  const TemporaryFolder folder;
  EXPECT_EQ(caught([&] { write_file_atomic(folder / "no/a", "x"); }).kind(), ErrorKind::io);
  EXPECT_EQ(caught([&] { write_file_atomic(folder / "", "x"); }).kind(), ErrorKind::invalid);
  std::filesystem::create_directory(folder / "d");
  EXPECT_EQ(caught([&] { write_file_atomic(folder / "d", "x"); }).kind(), ErrorKind::io);
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(AtomicFile, ConcurrentWritersNeverMix) {
  const TemporaryFolder folder;
  const std::string a(100000, 'a'), b(100000, 'b');
  std::thread other([&] {
    for (int i = 0; i < 10; ++i) write_file_atomic(folder / "f", a);
  });
  for (int i = 0; i < 10; ++i) write_file_atomic(folder / "f", b);
  other.join();
  const std::string found = read_text(folder / "f");
  EXPECT_TRUE(found == a || found == b);
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(Text, ReadsWholeFilesOfAnySize) {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; text.size() < 600000; ++i) text += std::to_string(i);
  write_file_atomic(folder / "a", text);
  EXPECT_EQ(read_text(folder / "a"), text);
  EXPECT_FALSE(read_text("/proc/self/status").empty());  // its size is given as 0
  EXPECT_EQ(caught([&] { (void)read_text(folder / "b"); }).kind(), ErrorKind::io);
}

TEST(Text, InvalidUtf8IsNamedByLineColumnAndOffset) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "a", "one\nüb\xff");
  const Error error = caught([&] { (void)read_utf8(folder / "a"); });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_EQ(error.where(), (folder / "a").string() + ":2:3");
  EXPECT_THAT(error.message(), HasSubstr("byte offset 7 (byte 0xFF)"));
}

TEST(Text, Utf8FollowsTheUnicodeTable) {
  for (const std::string valid : {"", "a", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
                                  "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_NO_THROW(check_utf8(valid, "x")) << valid;
  }
  for (const std::string invalid :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x9F\xBF", "\xE2\x82",
        "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF0\x90\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
        "\xE2\x28\xA1"}) {
    EXPECT_THROW(check_utf8(invalid, "x"), Error) << testing::PrintToString(invalid);
  }
}

TEST(Sha256, KnownDigests) {  // FIPS 180-2, appendix B
  EXPECT_EQ(sha256(std::string_view("")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256(std::string_view("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, PiecesAndFilesGiveTheDigestOfTheWhole) {
  const TemporaryFolder folder;
  const std::string text(1000000, 'a');
  const std::string expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
  write_file_atomic(folder / "a", text);
  EXPECT_EQ(sha256_file(folder / "a"), expected);
  Sha256 digest;
  digest.update(std::string_view(text).substr(0, 3)).update(std::string_view(text).substr(3));
  EXPECT_EQ(digest.hex(), expected);
  EXPECT_THROW((void)digest.hex(), Error);
  EXPECT_THROW(digest.update("x"), Error);
  EXPECT_EQ(caught([&] { (void)sha256_file(folder / "b"); }).kind(), ErrorKind::io);
}

}  // namespace
}  // namespace saffron::io_test
