/* A C program that uses libhop_c.so: it writes a data set, and hears of what cannot be. Ends with 0 if all went as the
 * header says. The argument is a new folder. */
#include <stdio.h>
#include <string.h>

#include "capi/hop_c.h"

#define ROWS 60

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, hop_last_error());
  return 1;
}

int main(int count, char** arguments) {
  float features[ROWS][2];
  int64_t labels[ROWS];
  char digest[33] = "";
  hop_writer* writer = NULL;
  hop_model* model = NULL;
  hop_rows rows;
  int i;

  if (count != 2) return failed("expected a folder");
  if (hop_c_abi() != HOP_C_ABI || strlen(hop_version()) < 5) return failed("another library");
  for (i = 0; i < ROWS; ++i) {
    labels[i] = i % 3;
    features[i][0] = (float)i;
    features[i][1] = (float)(i * i);
  }
  if (hop_writer_open(arguments[1], "{\"shape\": [2], \"classes\": 3, \"partitions\": 2}", &writer) != HOP_OK) {
    return failed("open");
  }
  rows.count = ROWS / 2;
  rows.feature_bytes = sizeof features / 2;
  rows.label_bytes = sizeof labels / 2;
  rows.weights = NULL;
  for (i = 0; i < 2; ++i) {
    rows.features = features[i * ROWS / 2];
    rows.labels = labels + i * ROWS / 2;
    if (hop_writer_append(writer, &rows) != HOP_OK) return failed("append");
  }
  if (hop_writer_finish(writer, digest) != HOP_OK) return failed("finish");
  hop_writer_close(writer);
  if (strlen(digest) != 32) return failed("digest");

  if (hop_model_load("/nowhere/m.safetensors", HOP_BEST, &model) != HOP_ERROR_STATE) return failed("no model");
  if (model != NULL || strstr(hop_last_error(), "/nowhere") == NULL) return failed("the text of the error");
  if (hop_last_status() != HOP_ERROR_STATE) return failed("the kind of the error");
  printf("%s\n", digest);
  return 0;
}
