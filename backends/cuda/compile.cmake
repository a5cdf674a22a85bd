# cmake -DNVCC= -DFLAGS= -DIN= -DOUT= -P compile.cmake: compiles kernels and fails where one spills registers.
execute_process(COMMAND ${NVCC} ${FLAGS} -Xptxas -v -c ${IN} -o ${OUT}
                RESULT_VARIABLE failed OUTPUT_VARIABLE report ERROR_VARIABLE report)
file(WRITE ${OUT}.txt "${report}")
if(failed)
  message(FATAL_ERROR "${report}")
endif()
string(REGEX MATCHALL "Function properties for [^\n]*\n[^\n]* [1-9][0-9]* bytes spill[^\n]*" spills "${report}")
if(spills)
  file(REMOVE ${OUT})
  string(REPLACE ";" "\n" spills "${spills}")
  message(FATAL_ERROR "kernels spill registers:\n${spills}")
endif()
