/* Hopscotch for programs that are not C++: write a data set, load a trained model, predict. Plain C; no C++ type and no
 * exception crosses it. The library is libhop_c.so.
 *
 *   hop_model* model = NULL;
 *   if (hop_model_load("runs/demo-1", HOP_BEST, &model) != HOP_OK) puts(hop_last_error());
 *   hop_model_predict(model, rows, "f32", 10, 784, outputs, classes);
 *   hop_model_close(model);
 *
 * A function that can fail returns HOP_OK or the kind of the error; hop_last_error() is then its text. Texts are UTF-8.
 * A handle is used by one thread at a time; different handles may be used at once. */
#ifndef HOP_C_H
#define HOP_C_H

#include <stddef.h>
#include <stdint.h>

#define HOP_C_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/* Grows when a function changes its meaning or its arguments. */
#define HOP_C_ABI 1

/* The kinds of errors. More may come: treat an unknown one as HOP_ERROR_OTHER. */
enum {
  HOP_OK = 0,
  HOP_ERROR_ARGUMENT = 1, /* a call that cannot be right: a null pointer, a wrong size or element type */
  HOP_ERROR_CONFIG = 2,   /* an option or a model that does not exist */
  HOP_ERROR_DATA = 3,     /* rows that cannot be read, a damaged data set */
  HOP_ERROR_STATE = 4,    /* a model's file is missing, damaged, or of another kind */
  HOP_ERROR_MEMORY = 5,
  HOP_ERROR_JOURNAL = 6, /* a run directory whose journal is damaged */
  HOP_ERROR_OTHER = 7
};
typedef int32_t hop_status;

/* HOP_C_ABI of the library that is loaded. */
HOP_C_API int32_t hop_c_abi(void);
/* "0.1.0": that of the library. */
HOP_C_API const char* hop_version(void);
/* The text of the last call's error on this thread, "" if it had none. Valid until the next call on this thread. */
HOP_C_API const char* hop_last_error(void);
/* The kind of that error. */
HOP_C_API hop_status hop_last_status(void);

/* ---- data sets --------------------------------------------------------------------------------------------------- */

/* Writes the folder of a data set: partitions, validation rows, manifest.json. Rows may be more than memory holds: they
 * wait in a file without a name beside the folder. */
typedef struct hop_writer hop_writer;

/* Some rows, one after the other. */
typedef struct hop_rows {
  int64_t count;
  const void* features; /* count rows of the schema's dtype and shape */
  size_t feature_bytes; /* of all of them */
  const void* labels;   /* int64_t (count), 0 .. classes - 1; or float (count, k), the numbers to predict */
  size_t label_bytes;   /* of all of them */
  const float* weights; /* (count), 0 or more; NULL where the schema has no weights */
} hop_rows;

/* `folder` must not exist or be empty. `schema` is JSON:
 *
 *   dtype       "f32" (default), "f64", "i64", "i32", "u8"
 *   shape       of one row: [784], [1, 28, 28]. Required
 *   classes     how many; or class_names ["no", "yes"]; or numbers ["price"], the names of numbers to predict. Required
 *   weights     true: each row counts by a weight. Default false
 *   name        of the data set. Default "rows"
 *   partitions  default 4
 *   validation  {"fraction": 0.1} (default), with "stratified": true if wanted; {"tail": 4000}; "none"
 *   seed        of the shuffle and of the fraction. Default 0
 *   shuffle     default true
 *   scale       [offset, factor] of all features. Default: fitted on the training rows
 *
 * Errors: CONFIG names a wrong key, DATA a folder that is taken. */
HOP_C_API hop_status hop_writer_open(const char* folder, const char* schema, hop_writer** writer);
/* Copies rows. Errors: ARGUMENT for sizes that do not fit, DATA that names the row: a label outside the classes, a
 * feature, number or weight that is not finite. The writer is then as it was before the call. After another error (a
 * full disk) it may have some of the rows: close it. */
HOP_C_API hop_status hop_writer_append(hop_writer* writer, const hop_rows* rows);
/* Makes the folder appear, whole or not at all. The bytes of its files are those that Hopscotch itself writes for these
 * rows, options and this seed. `digest` gets the data set's digest, 32 hexadecimal digits and a zero; or is NULL.
 * Errors: CONFIG for options that do not fit the rows, DATA. The writer takes no rows after it. */
HOP_C_API hop_status hop_writer_finish(hop_writer* writer, char digest[33]);
/* Frees a writer. Without hop_writer_finish nothing remains of the rows. NULL is allowed. */
HOP_C_API void hop_writer_close(hop_writer* writer);

/* ---- a data set whose partitions are written on several machines -------------------------------------------------- */

/* The rows of one machine: all rows of some partitions. No machine sees all rows, so there are two turns:
 *
 *   each machine   hop_share_append ..., hop_share_measure   ->  its parts, without their rows
 *   one machine    hop_share_digest   of the parts of all    ->  the digest of the data set
 *   each machine   hop_share_write    with that digest       ->  its files, and its parts with them
 *   one machine    hop_share_manifest of these parts         ->  the text of manifest.json, for every machine's folder
 *
 * Parts are JSON, a list; the lists of several machines are joined to one. The bytes of the files are a function of the
 * schema and of the rows of each partition in their order: they do not depend on who wrote what. */
typedef struct hop_share hop_share;

/* The partition of the validation rows. */
#define HOP_VALIDATION (-1)

/* `schema`: as for hop_writer_open. Its validation is not used: the caller says which rows are validation rows.
 * `folder` is created when files are written; files of the same names are replaced. */
HOP_C_API hop_status hop_share_open(const char* folder, const char* schema, hop_share** share);
/* Copies rows of a partition, 0 .. partitions - 1, or HOP_VALIDATION. Errors as of hop_writer_append. */
HOP_C_API hop_status hop_share_append(hop_share* share, int64_t partition, const hop_rows* rows);
/* `parts` is valid until the next call with this share. */
HOP_C_API hop_status hop_share_measure(hop_share* share, const char** parts);
/* Writes a file for each of these parts, the ones of hop_share_measure. `written` is valid until the next call with
 * this share. */
HOP_C_API hop_status hop_share_write(hop_share* share, const char* parts, const char* digest, const char** written);
/* Frees a share. The files that it wrote stay. NULL is allowed. */
HOP_C_API void hop_share_close(hop_share* share);
/* `digest` gets 32 hexadecimal digits and a zero. Errors: DATA for a partition without rows, or with two contents. */
HOP_C_API hop_status hop_share_digest(const char* schema, const char* parts, char digest[33]);
/* `manifest` is valid until the next call of this function on this thread. */
HOP_C_API hop_status hop_share_manifest(const char* schema, const char* parts, const char** manifest);

/* ---- models ------------------------------------------------------------------------------------------------------ */

/* A trained model with what its inputs and outputs mean: it takes raw rows, as they stand in the user's table. */
typedef struct hop_model hop_model;

#define HOP_BEST (-1)

/* `path`: a run directory, a model's file in it (RUN_DIR/models/3.hop, 3.best.hop), or a .safetensors file of
 * `hop export`. `id`: a model of the run directory; HOP_BEST for its best one, and for files. */
HOP_C_API hop_status hop_model_load(const char* path, int64_t id, hop_model** model);
/* JSON, valid until the model is closed:
 *
 *   kind          "class" or "number"      outputs  of a row: one per class, or one per number
 *   class_names   [] if they have none     numbers  the names of the numbers
 *   columns       the columns of a table that become input, in order; [] for other data
 *   column_count  numbers in a row of hop_model_predict
 *   shape         of a row, as the model sees it
 *   model         its layers, as text      schema   how rows become inputs: all of it
 *   id, config    of a model of a run */
HOP_C_API const char* hop_model_describe(const hop_model* model);
/* Answers rows of numbers. `rows`: (count, columns), contiguous, of `dtype` ("f32", "f64", "i64", "i32", "u8", "bool");
 * columns is column_count, NaN is a missing value. `outputs` gets (count, outputs): the probability of each class, or
 * the numbers in the unit of the label. `classes` gets (count): the most probable class; NULL if nobody wants it, and
 * for numbers. Errors: ARGUMENT, DATA that names row and column. */
HOP_C_API hop_status hop_model_predict(hop_model* model, const void* rows, const char* dtype, int64_t count,
                                       int64_t columns, float* outputs, int64_t* classes);
/* Answers rows of text. `names`: of the columns, in any order, columns that the model does not know are ignored; or
 * NULL: columns by their places. `cells`: (count, columns), "" for a missing one. The rest as above. */
HOP_C_API hop_status hop_model_predict_text(hop_model* model, const char* const* names, int64_t columns,
                                            const char* const* cells, int64_t count, float* outputs, int64_t* classes);
/* The words of categories in all rows of text so far that no training row had: JSON, a list of {"column", "first",
 * "rows"}. Valid until the next call with this model. */
HOP_C_API const char* hop_model_unseen(hop_model* model);
/* NULL is allowed. */
HOP_C_API void hop_model_close(hop_model* model);

#ifdef __cplusplus
}
#endif

#endif
